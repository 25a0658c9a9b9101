"""Where files lie: folders of this machine and others, and the processes that write in them."""
