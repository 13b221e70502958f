"""What ran, as data: recorded, drawn, replayed."""
