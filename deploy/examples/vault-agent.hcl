# Vault Agent or OpenBao Agent: log in as an AppRole, keep the token alive, and render a file anew whenever the
# environment `prod` changes. The two files hold a token's 12-character id and its 43-character secret.
vault {
  address = "https://vault.example.org"
}

auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/run/secrets/role-id"
      secret_id_file_path                 = "/run/secrets/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template {
  destination = "/run/billing/env"
  perms       = "0600"
  contents    = <<EOT
{{- with secret "secret/data/prod" -}}
{{- range $name, $value := .Data.data }}
{{ $name }}={{ $value | toJSON }}
{{- end }}
{{- end }}
EOT
}
