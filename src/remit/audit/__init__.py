"""The tamper-evident log: entries, Merkle tree, tiles, checkpoints, proofs and their verification."""
