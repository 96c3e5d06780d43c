"""`remit run`: one command behind one loopback URL, with its tokens kept where it cannot see them."""
