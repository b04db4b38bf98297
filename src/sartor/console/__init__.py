"""What people and programs ask that Amazon has no operation for."""
