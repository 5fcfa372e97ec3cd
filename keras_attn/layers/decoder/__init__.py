"""The attention decoder: steps, their state, bridge, readout and shortlist."""
