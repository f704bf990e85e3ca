{{- define "penstock.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 40 characters leave room for the longest suffix. */}}
{{- define "penstock.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "penstock.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "penstock.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "penstock.operator" -}}{{ include "penstock.fullname" . }}-operator{{- end }}
{{- define "penstock.proxy" -}}{{ include "penstock.fullname" . }}-proxy{{- end }}
{{- define "penstock.ca" -}}{{ include "penstock.fullname" . }}-ca{{- end }}

{{/* Cluster-wide objects carry the namespace in their name: two releases must not share them. */}}
{{- define "penstock.clusterName" -}}{{ include "penstock.fullname" . }}-operator:{{ .Release.Namespace }}{{- end }}

{{- define "penstock.selector" -}}
app.kubernetes.io/name: {{ include "penstock.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "penstock.labels" -}}
{{ include "penstock.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: penstock
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "penstock.image" -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{/*
Exactly one of a Secret of keys and "anyone may call". The Secret has a default name, so that an install without
any values works and is closed; only the contradiction is an error.
*/}}
{{- define "penstock.clientKeysSecret" -}}
{{- if and .Values.clientAuth.allowAnonymous .Values.clientAuth.secretName }}
{{- fail "clientAuth: secretName (callers need a key) and allowAnonymous: true (anyone may call) exclude each other: set one of them" }}
{{- end }}
{{- if not .Values.clientAuth.allowAnonymous }}
{{- .Values.clientAuth.secretName | default (printf "%s-client-keys" (include "penstock.fullname" .)) }}
{{- end }}
{{- end }}

{{/* Restricted Pod Security Standard. fsGroup lets the process read its projected token. */}}
{{- define "penstock.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "penstock.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Annotations of a pod: what the values say, and where Prometheus finds the metrics. */}}
{{- define "penstock.podAnnotations" -}}
{{- if .root.Values.metrics.scrapeAnnotations }}
prometheus.io/scrape: "true"
prometheus.io/port: "9090"
prometheus.io/path: /metrics
{{- end }}
{{- with .annotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "penstock.placement" -}}
{{- with .nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
