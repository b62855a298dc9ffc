"""Where studies are kept, and what happens to them when several processes write."""
