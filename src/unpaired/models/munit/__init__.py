"""Multimodal unsupervised image-to-image translation (Huang et al., ECCV 2018)."""
