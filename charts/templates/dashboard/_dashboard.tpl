{{/* What the dashboard does in a watched namespace. The audit log must equal it, as the controller's. */}}
{{- define "cnn-sweep.dashboardRules" -}}
- apiGroups: [cnn-sweep.dev]
  resources: [sweeps, trialresultslices]
  verbs: [list, watch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
{{- end }}

{{/* Whether others than `kubectl port-forward` reach the page. "true" or "false". */}}
{{- define "cnn-sweep.dashboardIsShared" -}}
{{ ne .Values.dashboard.auth.mode "loopback" }}
{{- end }}

{{/* The least number of Pods that there may be. */}}
{{- define "cnn-sweep.dashboardReplicas" -}}
{{- with .Values.dashboard -}}
{{ .autoscaling.enabled | ternary .autoscaling.minReplicas .replicas | int }}
{{- end -}}
{{- end }}

{{/* The page speaks TLS itself: http or https. Name of its port, too. */}}
{{- define "cnn-sweep.dashboardScheme" -}}
{{ .Values.dashboard.tls.existingSecret | empty | ternary "http" "https" }}
{{- end }}

{{/* Where dashboard.faro.forwardUrl leads, as its host is no address that a NetworkPolicy could name. */}}
{{- define "cnn-sweep.faroPort" -}}
{{- $url := urlParse .Values.dashboard.faro.forwardUrl -}}
{{ regexFind ":[0-9]+$" $url.host | trimPrefix ":" | default (eq $url.scheme "https" | ternary "443" "80") }}
{{- end }}

{{/* What it asks about those who read: who has this token, and what may they see. A proxy says by itself who it is. */}}
{{- define "cnn-sweep.dashboardAuthRules" -}}
{{- if eq .Values.dashboard.auth.mode "token" }}
- apiGroups: [authentication.k8s.io]
  resources: [tokenreviews]
  verbs: [create]
{{- end }}
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
