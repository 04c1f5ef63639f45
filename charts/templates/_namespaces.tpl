{{- define "cnn-sweep.watchesAll" -}}
{{ has "*" .Values.watchNamespaces }}
{{- end }}

{{/* The watched namespaces that we know by name, as JSON; of all of them we know the release's own. */}}
{{- define "cnn-sweep.namespaces" -}}
{{- if or (empty .Values.watchNamespaces) (eq (include "cnn-sweep.watchesAll" .) "true") -}}
{{ list .Release.Namespace | toJson }}
{{- else -}}
{{ .Values.watchNamespaces | toJson }}
{{- end -}}
{{- end }}
