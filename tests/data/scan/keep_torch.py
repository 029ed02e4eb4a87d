"""A port has no findings."""
import torch
from torch import nn

model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
model(torch.zeros(2, 3)).detach().numpy()
torch.optim.Adam(model.parameters()).step()
