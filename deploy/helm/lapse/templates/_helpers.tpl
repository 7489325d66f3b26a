{{- define "lapse.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name }}{{ end -}}
{{- end }}

{{- define "lapse.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "lapse.selector" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "lapse.serviceAccount" -}}
{{- default (include "lapse.name" .) .Values.serviceAccount.name -}}
{{- end }}

{{- define "lapse.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end }}

{{- /* The pods of one role: a dict of root, role and values. */ -}}
{{- define "lapse.pod" -}}
{{- $root := .root -}}
metadata:
  labels:
    {{- include "lapse.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .role }}
  annotations:
    checksum/config: {{ $root.Values.config | toJson | sha256sum }}
spec:
  serviceAccountName: {{ include "lapse.serviceAccount" $root }}
  automountServiceAccountToken: false
  {{- with $root.Values.imagePullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    seccompProfile: {type: RuntimeDefault}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "lapse.selector" . | nindent 10 }}
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "lapse.selector" . | nindent 10 }}
  containers:
    - name: lapse
      image: {{ include "lapse.image" $root | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: ["run", "--role", {{ .role | quote }}]
      env:
        # For the service, and for every command in `kubectl exec`.
        - name: LAPSE_CONFIG
          value: /etc/lapse/lapse.yaml
        # The pod's name is the member's: a restarted pod takes its partitions up again without a rebalance.
        - name: LAPSE_KAFKA__INSTANCE
          valueFrom: {fieldRef: {fieldPath: metadata.name}}
        - name: LAPSE_WEB__HOST
          value: "0.0.0.0"
        - name: LAPSE_WEB__PORT
          value: {{ $root.Values.web.port | quote }}
        {{- if not (dig "log" "format" "" $root.Values.config) }}
        - name: LAPSE_LOG__FORMAT
          value: json
        {{- end }}
        {{- if eq .role "deliver" }}
        - name: LAPSE_WEB__PUBLIC__HOST
          value: "0.0.0.0"
        - name: LAPSE_WEB__PUBLIC__PORT
          value: {{ $root.Values.webhook.port | quote }}
        {{- end }}
        {{- with $root.Values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $root.Values.secrets }}
      envFrom:
        {{- range . }}
        - secretRef: {name: {{ . }}}
        {{- end }}
      {{- end }}
      ports:
        - {name: web, containerPort: {{ $root.Values.web.port }}}
        {{- if eq .role "deliver" }}
        - {name: webhook, containerPort: {{ $root.Values.webhook.port }}}
        {{- end }}
      # A start restores the state or migrates the ledger, which may take minutes.
      startupProbe:
        httpGet: {path: /healthz, port: web}
        periodSeconds: 5
        failureThreshold: 120
      livenessProbe:
        httpGet: {path: /healthz, port: web}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /readyz, port: web}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 3
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      volumeMounts:
        - {name: config, mountPath: /etc/lapse, readOnly: true}
        - {name: scratch, mountPath: /tmp}
        {{- with $root.Values.extraVolumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "lapse.name" $root }}}
    - name: scratch
      emptyDir: {sizeLimit: 64Mi}
    {{- with $root.Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
