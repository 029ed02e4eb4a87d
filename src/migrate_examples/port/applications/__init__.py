"""The port of ``keras.applications``: weights into the models of torchvision.

Where torchvision has a model of the same name, it is rarely the same network.
``twins`` takes it all the same and changes what differs; ``measure`` says what each
change is worth.
"""
