"""From wheels to segments, and from segments to a .zip: nothing is installed, unpacked or compressed again."""
