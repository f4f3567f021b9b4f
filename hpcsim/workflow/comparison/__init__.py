"""What differs in studies: settings, points, outputs, posteriors."""
