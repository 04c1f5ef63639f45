{{/* What all our Pods have in common; called with {root, component, values}. */}}
{{- define "cnn-sweep.pod" -}}
serviceAccountName: {{ include "cnn-sweep.serviceAccount" . }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{- define "cnn-sweep.container" -}}
image: {{ include "cnn-sweep.image" (dict "root" .root "image" .root.Values.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
resources:
  {{- toYaml .values.resources | nindent 2 }}
volumeMounts:
  - name: tmp
    mountPath: /tmp
{{- end }}

{{/* Labels of a Pod: its selector is stronger than podLabels, and the chart's version is not among them (it would restart Pods). */}}
{{- define "cnn-sweep.podLabels" -}}
{{- $own := include "cnn-sweep.selector" . | fromYaml -}}
{{- $more := dict "app.kubernetes.io/version" .root.Chart.AppVersion "app.kubernetes.io/part-of" "cnn-sweep" -}}
{{- merge $own (deepCopy .values.podLabels) $more | toYaml -}}
{{- end }}
