output "processes" {
  description = "Process name to role, command, number of copies and secrets (environment name to secret name)."
  value       = terraform_data.service.output
}
