{{/* Whether trials report over NATS: ours, or one of yours. "true" or "false". */}}
{{- define "cnn-sweep.natsIsOn" -}}
{{ or .Values.nats.enabled (not (empty .Values.nats.external.url)) }}
{{- end }}

{{/* Whether the controller vouches for each trial; else all share what nats.external.trainerSecret holds. "true" or "false". */}}
{{- define "cnn-sweep.natsCallout" -}}
{{ and (eq (include "cnn-sweep.natsIsOn" .) "true") (or .Values.nats.enabled (empty .Values.nats.external.trainerSecret)) }}
{{- end }}

{{/* A quantity as the schema lets it be, in bytes. */}}
{{- define "cnn-sweep.bytes" -}}
{{- $units := dict "M" 1000000 "G" 1000000000 "T" 1000000000000 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (index $units (regexFind "[A-Za-z]+$" .)) | int64 -}}
{{- end }}

{{/* What our own server's store takes: the rest of its volume is for files that are written anew before the old ones go. */}}
{{- define "cnn-sweep.natsStoreBytes" -}}
{{- div (mul 9 (include "cnn-sweep.bytes" .Values.nats.persistence.size | int64)) 10 -}}
{{- end }}

{{/* From any namespace of the cluster. */}}
{{- define "cnn-sweep.natsUrl" -}}
{{- if .Values.nats.enabled -}}
tls://{{ include "cnn-sweep.name" (dict "root" . "component" "nats") }}.{{ .Release.Namespace }}.svc:4222
{{- else -}}
{{ .Values.nats.external.url }}
{{- end -}}
{{- end }}

{{- define "cnn-sweep.natsPort" -}}
{{- regexFind ":[0-9]+$" (include "cnn-sweep.natsUrl" .) | trimPrefix ":" | default "4222" -}}
{{- end }}

{{/* Secret with the passwords of controller and dashboard, and what the account's key is derived from. */}}
{{- define "cnn-sweep.natsAuthSecret" -}}
{{- if .Values.nats.enabled -}}
{{ .Values.nats.auth.existingSecret | default (printf "%s-auth" (include "cnn-sweep.name" (dict "root" . "component" "nats"))) }}
{{- else -}}
{{ .Values.nats.external.existingSecret }}
{{- end -}}
{{- end }}

{{/* Secret with ca.crt; for our own server also tls.crt and tls.key. */}}
{{- define "cnn-sweep.natsTlsSecret" -}}
{{- if .Values.nats.enabled -}}
{{ .Values.nats.tls.existingSecret | default (printf "%s-tls" (include "cnn-sweep.name" (dict "root" . "component" "nats"))) }}
{{- else -}}
{{ .Values.nats.external.existingSecret }}
{{- end -}}
{{- end }}

{{/* Volume of a program that connects by a password; called with {root, user}. Optional: a program without it runs, and tries again. */}}
{{- define "cnn-sweep.natsVolume" -}}
- name: nats
  projected:
    sources:
      - secret:
          name: {{ include "cnn-sweep.natsAuthSecret" .root | quote }}
          optional: true
          items:
            - {key: {{ .user }}, path: password}
            {{- if and (eq .user "controller") (eq (include "cnn-sweep.natsCallout" .root) "true") }}
            - {key: callout, path: callout}
            {{- end }}
      - secret:
          name: {{ include "cnn-sweep.natsTlsSecret" .root | quote }}
          optional: true
          items:
            - {key: ca.crt, path: ca.crt}
{{- end }}

{{- define "cnn-sweep.natsMount" -}}
- name: nats
  mountPath: /etc/cnn-sweep/nats
  readOnly: true
{{- end }}

{{/* Arguments of the same program; called with {root, user}. */}}
{{- define "cnn-sweep.natsArgs" -}}
- --nats-url={{ include "cnn-sweep.natsUrl" .root }}
- --nats-user={{ .user }}
- --nats-password-file=/etc/cnn-sweep/nats/password
{{- if or .root.Values.nats.enabled .root.Values.nats.external.tls }}
- --nats-ca-file=/etc/cnn-sweep/nats/ca.crt
{{- end }}
{{- end }}

{{/* Egress rule of a NetworkPolicy, for who connects to NATS. */}}
{{- define "cnn-sweep.natsEgress" -}}
- ports: [{port: {{ include "cnn-sweep.natsPort" . }}, protocol: TCP}]
  {{- if .Values.nats.enabled }}
  to:
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Release.Namespace | quote }}
      podSelector:
        matchLabels:
          {{- include "cnn-sweep.selector" (dict "root" . "component" "nats") | nindent 10 }}
  {{- end }}
{{- end }}
