"""Tables, figures and the HTML report, from stored records. Imports no torch."""
