"""The `mobiledeploy` program: one file a command. Heavy imports stand inside the commands."""
