"""What each stage does: functions (Instance, Ports) -> Outcome."""
