{{/* The release's name with the chart's in it; a Service's name begins with a letter, and has at most 63, also with -dashboard-metrics. */}}
{{- define "cnn-sweep.fullname" -}}
{{- $release := .Release.Name | replace "." "-" -}}
{{- $name := contains "cnn-sweep" $release | ternary $release (printf "%s-cnn-sweep" $release) -}}
{{- $name = regexMatch "^[0-9]" $name | ternary (printf "cnn-sweep-%s" $release) $name -}}
{{- $name | trunc 45 | trimSuffix "-" -}}
{{- end }}

{{/* Name of a component's objects: <fullname>-controller. */}}
{{- define "cnn-sweep.name" -}}
{{ include "cnn-sweep.fullname" .root }}-{{ .component }}
{{- end }}

{{/* Name of an object without a namespace: <fullname>-<what>.<release namespace>, so that two releases do not meet. */}}
{{- define "cnn-sweep.clusterName" -}}
{{ include "cnn-sweep.fullname" .root }}-{{ .what }}.{{ .root.Release.Namespace }}
{{- end }}

{{/* What a Pod is found by; never changes. */}}
{{- define "cnn-sweep.selector" -}}
app.kubernetes.io/name: cnn-sweep
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "cnn-sweep.labels" -}}
{{ include "cnn-sweep.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: cnn-sweep
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* ServiceAccount of a component. */}}
{{- define "cnn-sweep.serviceAccount" -}}
{{ .values.serviceAccount.name | default (include "cnn-sweep.name" .) }}
{{- end }}

{{- define "cnn-sweep.trainerServiceAccount" -}}
{{- $preset := eq (include "cnn-sweep.watchesAll" .) "true" | ternary "default" "cnn-sweep-trainer" -}}
{{ .Values.trainer.serviceAccount.name | default $preset }}
{{- end }}
