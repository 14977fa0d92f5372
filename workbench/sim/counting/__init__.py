"""What the threads of a launch do, counted as a GPU counts it: by warp, and by source line."""
