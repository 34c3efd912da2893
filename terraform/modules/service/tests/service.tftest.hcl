variables {
  chains = { base = 8453, polygon = 137 }
  lanes  = ["base/vault-0", "polygon/gas"]
  database_secrets = {
    api       = "bascule/api"
    watcher   = "bascule/watcher"
    submitter = "bascule/submitter"
    signer    = "bascule/signer"
    worker    = "bascule/worker"
  }
}

run "one_watcher_per_chain_and_one_submitter_per_lane" {
  assert {
    condition = toset(keys(output.processes)) == toset([
      "api", "signer", "worker", "watcher-base", "watcher-polygon", "submitter-base-vault-0", "submitter-polygon-gas",
    ])
    error_message = "the processes are not those of the chains and lanes"
  }
  assert {
    condition     = join(" ", output.processes["submitter-base-vault-0"].command) == "bascule submitter --lane base/vault-0"
    error_message = "the submitter does not name its lane"
  }
  assert {
    condition     = join(" ", output.processes["watcher-polygon"].command) == "bascule watcher --chain polygon"
    error_message = "the watcher does not name its chain"
  }
}

run "each_process_sees_its_own_database_secret_alone" {
  assert {
    condition     = output.processes["signer"].secrets["BASCULE_DATABASE_URL_SIGNER"] == "bascule/signer"
    error_message = "the signer sees other secrets than its own"
  }
  assert {
    condition     = alltrue([for process in values(output.processes) : length(process.secrets) == 1])
    error_message = "a process sees more than one database secret"
  }
}

run "signer_is_one_whatever_the_others_are" {
  variables {
    replicas = { api = 5 }
  }
  assert {
    condition     = output.processes["signer"].replicas == 1 && output.processes["api"].replicas == 5
    error_message = "replicas do not reach their processes"
  }
}

run "lane_of_an_unserved_chain_is_refused" {
  command = plan
  variables {
    lanes = ["base/vault-0", "solid/vault-0"]
  }
  expect_failures = [terraform_data.service]
}

run "two_lanes_of_one_submitter_name_are_refused" {
  command = plan
  variables {
    chains = { base = 8453, base-x = 84532 }
    lanes  = ["base/x-y", "base-x/y"]
  }
  expect_failures = [var.lanes]
}

run "misspelt_lane_is_refused" {
  command = plan
  variables {
    lanes = ["vault-0"]
  }
  expect_failures = [var.lanes]
}

run "installation_without_a_chain_is_refused" {
  command = plan
  variables {
    chains = {}
    lanes  = []
  }
  expect_failures = [var.chains]
}

run "chain_named_twice_is_refused" {
  command = plan
  variables {
    chains = { base = 8453, base-again = 8453 }
  }
  expect_failures = [var.chains]
}

run "process_without_a_copy_is_refused" {
  command = plan
  variables {
    replicas = { worker = 0 }
  }
  expect_failures = [var.replicas]
}

run "shared_database_role_is_refused" {
  command = plan
  variables {
    database_secrets = {
      api       = "bascule/all"
      watcher   = "bascule/all"
      submitter = "bascule/submitter"
      signer    = "bascule/signer"
      worker    = "bascule/worker"
    }
  }
  expect_failures = [var.database_secrets]
}

run "database_url_in_place_of_a_secret_name_is_refused" {
  command = plan
  variables {
    database_secrets = {
      api       = "postgresql://api@db/bascule"
      watcher   = "bascule/watcher"
      submitter = "bascule/submitter"
      signer    = "bascule/signer"
      worker    = "bascule/worker"
    }
  }
  expect_failures = [var.database_secrets]
}
