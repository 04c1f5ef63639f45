{{/* registry/repository@digest, or :tag; called with {root, image}. */}}
{{- define "cnn-sweep.image" -}}
{{- with .root.Values.global.imageRegistry | default .image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ .image.repository }}
{{- with .image.digest }}@{{ . }}{{ else }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end }}
