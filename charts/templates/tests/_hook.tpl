{{/* `helm test` shows what the Pod said and leaves nothing, whether it went well or not; called with the weight. */}}
{{- define "cnn-sweep.testHook" -}}
helm.sh/hook: test
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
helm.sh/hook-output-log-policy: hook-succeeded,hook-failed
{{- end }}
