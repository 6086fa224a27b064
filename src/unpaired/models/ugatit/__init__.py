"""U-GAT-IT: unsupervised generative attentional networks (Kim et al., ICLR 2020)."""
