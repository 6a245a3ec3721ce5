"""Figures beside budgets; nothing here fails a build."""
