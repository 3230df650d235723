"""The minds that come with simworld, by family. They register through the same entry points as a stranger's would."""
