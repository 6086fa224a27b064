"""Faces in pictures: finding them, cropping them, telling whose they are."""
