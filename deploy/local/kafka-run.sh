#!/bin/bash
# One broker, configured as the image apache/kafka is: KAFKA_LOG_DIRS is log.dirs.
set -euo pipefail
settings=/tmp/server.properties
env | sed -n 's/^KAFKA_//p' | while IFS='=' read -r name value; do
  name=${name,,}
  printf '%s=%s\n' "${name//_/.}" "$value"
done > "$settings"
run=(java -Xmx512m -XX:TieredStopAtLevel=1 -cp "/opt/kafka/libs/*")
"${run[@]}" kafka.tools.StorageTool format --ignore-formatted -t "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" -c "$settings"
exec "${run[@]}" kafka.Kafka "$settings"
