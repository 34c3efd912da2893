import pytest
from shop import Shop


@pytest.fixture
def shop(bridge):
    return Shop(bridge.api_url, bridge.secret_key, bridge.webhook_secret)


def hear_everything(shop, bridge):
    for delivery in bridge.deliveries:
        shop.hear(delivery.body, dict(delivery.headers))


def test_paid_order_is_shipped_once(bridge, shop):
    intent = shop.order(1042, "25.00")
    bridge.pay(intent)
    bridge.mine()
    bridge.settle()
    assert bridge.intent(intent)["status"] == "processing"  # seen, not final yet
    hear_everything(shop, bridge)
    assert shop.shipped == []

    bridge.mine(4)  # four blocks on top make it final
    bridge.settle()

    assert bridge.intent(intent)["status"] == "succeeded"
    hear_everything(shop, bridge)
    assert shop.shipped == ["order-1042"]


def test_short_payment_ships_nothing(bridge, shop):
    intent = shop.order(1043, "25.00")
    bridge.pay(intent, "20.00")
    bridge.finalize()

    hear_everything(shop, bridge)
    assert shop.shipped == []
    assert bridge.intent(intent)["amount_remaining"] == "5.000000"


def test_reorg_takes_a_payment_back(bridge, shop):
    intent = shop.order(1044, "25.00")
    payment = bridge.pay(intent)
    bridge.mine()
    bridge.settle()

    bridge.reorg(depth=1, drop=[payment])
    bridge.settle()

    assert bridge.intent(intent)["status"] == "requires_action"
    hear_everything(shop, bridge)
    assert shop.shipped == []
