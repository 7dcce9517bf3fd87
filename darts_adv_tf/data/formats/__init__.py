"""From files to pixels: one file a family of formats, all to one `DecodedImage`."""
