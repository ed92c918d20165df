"""What the server of the processes imports while Ctrl-C is pressed."""

import time

time.sleep(1)
