// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What was attempted when, as a plain list: the oracle beside the vault's ring of slices
///
/// @dev The vault counts a payment for `window` seconds at least and up to one slice longer, so that two sums bound it.
///      A changed window counts what was spent as spent now, from then on.
library Spending {
    struct Payment {
        uint256 time;
        uint256 least;
        uint256 most;
    }

    struct List {
        Payment[] payments;
        uint32 window;
    }

    function add(List storage self, uint256 amount) internal {
        self.payments.push(Payment(block.timestamp, amount, amount));
    }

    function setWindow(List storage self, uint32 window) internal {
        if (window == self.window) return;
        (uint256 least, uint256 most) = spent(self);
        delete self.payments;
        self.payments.push(Payment(block.timestamp, least, most));
        self.window = window;
    }

    /// @dev The least and the most base units that may count against the limit now.
    function spent(List storage self) internal view returns (uint256 least, uint256 most) {
        uint256 slice = self.window / 8;
        for (uint256 i = 0; i < self.payments.length; ++i) {
            Payment storage payment = self.payments[i];
            if (payment.time + self.window > block.timestamp) least += payment.least;
            if (payment.time + self.window + slice > block.timestamp) most += payment.most;
        }
    }
}
