locals {
  # One entry for each process: the role decides its database secret, the arguments which chain or lane it serves.
  watchers = {
    for name in keys(var.chains) : "watcher-${name}" => { role = "watcher", arguments = ["--chain", name] }
  }
  submitters = {
    for lane in var.lanes :
    "submitter-${replace(lane, "/", "-")}" => { role = "submitter", arguments = ["--lane", lane] }
  }
  roles = merge(
    { for role in ["api", "signer", "worker"] : role => { role = role, arguments = [] } },
    local.watchers,
    local.submitters,
  )

  # The signer is one process with one ledger; a second copy would be a second authority.
  replicas = merge(var.replicas, { signer = 1 })

  processes = {
    for name, process in local.roles : name => {
      role     = process.role
      command  = concat(["bascule", process.role], process.arguments)
      replicas = local.replicas[process.role]
      secrets = {
        "BASCULE_DATABASE_URL_${upper(process.role)}" = var.database_secrets[process.role]
      }
    }
  }

  strays = [for lane in var.lanes : lane if !contains(keys(var.chains), split("/", lane)[0])]
}

# Holds the plan, so that rules over several variables are checked before anything is built from it.
resource "terraform_data" "service" {
  input = local.processes

  lifecycle {
    precondition {
      condition     = length(local.strays) == 0
      error_message = "Lanes of chains that are not served: ${join(", ", local.strays)}."
    }
  }
}
