"""Right transfers: the network then computes what the Keras model computes."""

import numpy as np
import pytest
import torch

from migrate_examples.port.transfer import transfer
from tests.port.transfer import nets

ROUNDING = 1e-12
"""Both sides in float64."""


@pytest.mark.parametrize("name", nets.NETS)
def test_transfer_computes_the_same(name: str) -> None:
    net = nets.NETS[name]
    model, x = nets.randomised(net, seed=3)
    module = net.torch().eval()
    ledger = transfer(model, module, **net.options)
    wanted = np.asarray(model(x))
    with torch.no_grad():
        got = module(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, wanted, rtol=ROUNDING, atol=ROUNDING)
    assert np.ptp(wanted) > 0.1
    assert not ledger.unproven(), str(ledger)
