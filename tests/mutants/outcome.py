"""What a check says of a mutant: nothing when it is dead."""


class NotKilled(Exception):
    """A mutant that its test does not notice, or a run that shows nothing; the text says which."""
