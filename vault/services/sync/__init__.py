"""The feed of changes: places in it, who may follow it, and what each follower is told."""
