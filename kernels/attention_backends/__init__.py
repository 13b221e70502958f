"""Who can attend to the rows of a step, what each cannot do, and who is chosen."""
