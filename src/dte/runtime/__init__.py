"""What every daemon is made of: settings, life cycle, logs, metrics, commands. Knows no word of the domain."""
