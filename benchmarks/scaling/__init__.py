"""How several processes compare with one."""
