#!/bin/sh
# Build, where Docker runs but nothing can be pulled, local images under the names that docker-compose.yml gives, and Lapse's
# own. They are made of Debian's packages and of jars from Maven, so PostgreSQL, Prometheus and Alertmanager are
# Debian's versions, not those that the tags say. Never push them, and before the real images take over their volumes:
# docker compose down --volumes
#
# Needs mmdebstrap (as root, or with unprivileged user namespaces), Maven, Git, and a Debian mirror, Maven repository and
# package index that this machine's clients reach. There is no local Grafana; it is in a profile of its own.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp deploy/local/* "$work"
cp /etc/ssl/certs/ca-certificates.crt "$work"  # whatever this machine trusts, building an image does too

echo "Debian, and the jars of Kafka and of the registry" >&2
mmdebstrap --variant=minbase --include=ca-certificates "${SUITE:-bookworm}" "$work/root.tar" < /dev/null
docker import --change 'CMD ["bash"]' "$work/root.tar" lapse-local/debian > /dev/null
rm "$work/root.tar"
mvn --quiet --file "$work/pom.xml" package

for image in $(sed -n 's/^FROM .* AS //p' deploy/local/Dockerfile | grep -v '^base$'); do
  name=$(sed -n "s/^    image: .*:-\(\([a-z-]*\/\)\?[a-z-]*$image[a-z-]*:.*\)}\$/\1/p" docker-compose.yml | head -1)
  [ "$image" = python ] && name=$(sed -n 's/^ARG BASE=//p' deploy/Dockerfile)
  echo "$name" >&2
  docker build --quiet --network host --target "$image" --tag "$name" "$work"
done

echo "lapse" >&2
git ls-files -z | tar --null --create --files-from - | docker build --network host --file deploy/Dockerfile --tag lapse -
