{{/* The server's configuration. No secret is in it: src/controller/nats-account-main.ts writes those, as variables, before the server starts. */}}
{{- define "cnn-sweep.natsConf" -}}
include ../nats-secrets/secrets.conf

server_name: $POD_NAME
port: 4222
http_port: 8222
pid_file: /tmp/nats.pid
max_payload: 65536
max_connections: 10000
max_pending: 16MB
write_deadline: "10s"
ping_interval: "20s"
ping_max: 3
lame_duck_duration: "30s"
lame_duck_grace_period: "5s"

jetstream {
  store_dir: /data
  max_file_store: {{ include "cnn-sweep.natsStoreBytes" . }}
  max_memory_store: 64MB
  # A request with an unknown field is refused. The server sends its acknowledgements wherever a publisher wants them, also to its own
  # API, and their `seq` would be understood there: "purge up to this".
  strict: true
  # What was acknowledged survives a power cut.
  sync_interval: always
}

tls {
  cert_file: /tls/tls.crt
  key_file: /tls/tls.key
}

system_account: SYS
accounts {
  SYS {
    users: [{user: sys, password: $sys_password}]
  }
  CNN_SWEEP {
    jetstream: enabled
    users: [
      {
        user: controller
        password: $controller_password
        permissions {
          publish: [
            "$JS.API.INFO"
            {{- range $verb := list "CREATE" "UPDATE" "INFO" "PURGE" }}
            {{- range $stream := list "CNN_SWEEP" "OBJ_CNN_SWEEP_MODELS" }}
            "$JS.API.STREAM.{{ $verb }}.{{ $stream }}"
            {{- end }}
            {{- end }}
          ]
          subscribe: ["_INBOX_controller.>", "$SYS.REQ.USER.AUTH"]
          allow_responses: true
        }
      }
      {
        user: dashboard
        password: $dashboard_password
        permissions {
          publish: [
            "$JS.API.INFO"
            "$JS.API.STREAM.NAMES"
            {{- range $stream := list "CNN_SWEEP" "OBJ_CNN_SWEEP_MODELS" }}
            "$JS.API.STREAM.INFO.{{ $stream }}"
            {{- range $verb := list "CREATE" "INFO" "DELETE" "MSG.NEXT" }}
            "$JS.API.CONSUMER.{{ $verb }}.{{ $stream }}.>"
            {{- end }}
            {{- end }}
            "$JS.API.CONSUMER.CREATE.OBJ_CNN_SWEEP_MODELS"
            "$JS.API.STREAM.MSG.GET.OBJ_CNN_SWEEP_MODELS"
            "$JS.API.DIRECT.GET.OBJ_CNN_SWEEP_MODELS.>"
            "$JS.FC.>"
          ]
          subscribe: ["_INBOX_dashboard.>"]
        }
      }
    ]
  }
}
# Everybody else is a trial: the controller says whose it is, and what it may do.
authorization {
  timeout: 5
  auth_callout {
    issuer: $account_key
    account: CNN_SWEEP
    auth_users: [controller, dashboard, sys]
  }
}
{{- end }}
