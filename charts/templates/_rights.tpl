{{/* What the controller does in a watched namespace. The audit log of a full run must equal it: an unused right is a mistake, too. */}}
{{- define "cnn-sweep.controllerRules" -}}
- apiGroups: [cnn-sweep.dev]
  resources: [sweeps]
  verbs: [get, list, watch]
- apiGroups: [cnn-sweep.dev]
  resources: [sweeps/status]
  verbs: [patch]
- apiGroups: [cnn-sweep.dev]
  resources: [trialresultslices]
  verbs: [get, list, watch, create, patch]
- apiGroups: [batch]
  resources: [jobs]
  verbs: [{{ if eq (include "cnn-sweep.natsCallout" .) "true" }}get, {{ end }}list, watch, create, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [{{ if eq (include "cnn-sweep.natsCallout" .) "true" }}get, {{ end }}list, watch]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch, list]
{{- if .Values.kueue.enabled }}
- apiGroups: [kueue.x-k8s.io]
  resources: [localqueues]
  verbs: [get]
{{- end }}
{{- end }}
