{{/* What all our Pods have in common; called with {root, component, values}. */}}
{{- define "cnn-sweep.pod" -}}
serviceAccountName: {{ include "cnn-sweep.serviceAccount" . | quote }}
automountServiceAccountToken: {{ ne .component "nats" }}
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
priorityClassName: {{ . | quote }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{/* A container; `image` where it is not our own. Ends with its mounts, as the Pod does with its volumes: who needs more goes on. */}}
{{- define "cnn-sweep.container" -}}
{{- $image := .image | default .root.Values.image -}}
image: {{ include "cnn-sweep.image" (dict "root" .root "image" $image) }}
imagePullPolicy: {{ $image.pullPolicy }}
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
