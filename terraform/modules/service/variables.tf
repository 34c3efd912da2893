variable "chains" {
  description = "Chains served: name, as lanes use it, to chain id."
  type        = map(number)

  validation {
    condition     = length(var.chains) > 0
    error_message = "An installation serves at least one chain."
  }
  validation {
    condition     = alltrue([for name in keys(var.chains) : can(regex("^[a-z][a-z0-9-]*$", name))])
    error_message = "A chain's name is lower-case letters, digits and dashes."
  }
  validation {
    condition     = alltrue([for id in values(var.chains) : id > 0 && floor(id) == id])
    error_message = "A chain id is a positive whole number."
  }
  validation {
    condition     = length(distinct(values(var.chains))) == length(var.chains)
    error_message = "Two names for one chain id would watch and pay the same chain twice."
  }
}

variable "lanes" {
  description = "Lanes, written <chain>/<name>; each is one wallet and gets a submitter of its own."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for lane in var.lanes : can(regex("^[a-z][a-z0-9-]*/[a-z0-9][a-z0-9-]*$", lane))])
    error_message = "A lane is written <chain>/<name>, for example base/vault-0."
  }
  validation {
    condition     = length(distinct([for lane in var.lanes : replace(lane, "/", "-")])) == length(var.lanes)
    error_message = "Two lanes would give their submitters the same name; rename one of them."
  }
}

variable "replicas" {
  description = "Copies of each process. Watchers and submitters have one leader each; more copies stand by."
  type = object({
    api       = optional(number, 2)
    watcher   = optional(number, 2)
    submitter = optional(number, 2)
    worker    = optional(number, 2)
  })
  default = {}

  validation {
    condition     = alltrue([for count in values(var.replicas) : count >= 1 && count <= 100 && floor(count) == count])
    error_message = "Each process needs between 1 and 100 copies."
  }
}

variable "database_secrets" {
  description = "Name, in the secret store, of the database URL of each process's own role."
  type = object({
    api       = string
    watcher   = string
    submitter = string
    signer    = string
    worker    = string
  })

  validation {
    condition     = length(distinct(values(var.database_secrets))) == 5
    error_message = "Each process has a database role of its own; two of them share a secret here."
  }
  validation {
    condition     = alltrue([for name in values(var.database_secrets) : length(name) > 0 && !strcontains(name, "://")])
    error_message = "Give the name of the secret, not the URL: values would stand in the state file."
  }
}
