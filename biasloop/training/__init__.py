"""What plugins share that needs torch: device, augmentation, the epoch loop, schedules, networks, weights.

Plugins import it inside the methods that compute; nothing of the core imports it.
"""
