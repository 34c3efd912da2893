// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {BlacklistsMidBatch} from "../../src/quirks/BlacklistsMidBatch.sol";
import {BurnsGas} from "../../src/quirks/BurnsGas.sol";
import {EighteenDecimals} from "../../src/quirks/EighteenDecimals.sol";
import {LogsWithoutMoving} from "../../src/quirks/LogsWithoutMoving.sol";
import {MovesAndReturnsFalse} from "../../src/quirks/MovesAndReturnsFalse.sol";
import {PlainToken} from "../../src/quirks/PlainToken.sol";
import {Rebases} from "../../src/quirks/Rebases.sol";
import {Reenters} from "../../src/quirks/Reenters.sol";
import {RefusesWithFalse} from "../../src/quirks/RefusesWithFalse.sol";
import {ReturnsAtLength} from "../../src/quirks/ReturnsAtLength.sol";
import {ReturnsBytes} from "../../src/quirks/ReturnsBytes.sol";
import {ReturnsNothing} from "../../src/quirks/ReturnsNothing.sol";
import {RevertsAtLength} from "../../src/quirks/RevertsAtLength.sol";
import {TakesFee} from "../../src/quirks/TakesFee.sol";
import {Vanishes} from "../../src/quirks/Vanishes.sol";

/// @notice One of each token, and what makes those misbehave that must be told to
contract Quirks {
    BlacklistsMidBatch public immutable barring = new BlacklistsMidBatch();
    Rebases public immutable rebasing = new Rebases();
    Reenters public immutable reentering = new Reenters();
    ReturnsBytes public immutable answering = new ReturnsBytes();
    RevertsAtLength public immutable reverting = new RevertsAtLength();
    Vanishes public immutable vanishing = new Vanishes();

    address[] private _all;

    constructor() {
        _all = [
            address(barring),
            address(rebasing),
            address(reentering),
            address(answering),
            address(reverting),
            address(vanishing),
            address(new BurnsGas()),
            address(new EighteenDecimals()),
            address(new LogsWithoutMoving()),
            address(new MovesAndReturnsFalse()),
            address(new PlainToken()),
            address(new RefusesWithFalse()),
            address(new ReturnsAtLength()),
            address(new ReturnsNothing()),
            address(new TakesFee())
        ];
    }

    function all() external view returns (address[] memory) {
        return _all;
    }

    /// @dev Turns one of the tokens' switches.
    function turn(uint256 which, uint256 value) external {
        which %= 5;
        if (which == 0) barring.setLeft(value % 5);
        if (which == 1) rebasing.rebase(1 + (value % 300));
        if (which == 2) answering.setAnswer(answer(value), value % 2 == 0);
        if (which == 3) reverting.setLength((value % 3) * 20_000);
        if (which == 4) vanishing.setLeft(value % 4 == 0 ? 0 : value % 50);
    }

    function answer(uint256 value) private pure returns (bytes memory) {
        if (value % 7 < 3) return abi.encode(value % 7);
        if (value % 7 == 3) return "";
        return new bytes(value % 100);
    }
}
