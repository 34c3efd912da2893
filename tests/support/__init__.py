"""What tests share: servers, chains, builders and misbehaving peers."""
