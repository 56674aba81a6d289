"""Search algorithms: what each proposes, and what is never proposed."""
