// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice What forge offers to tests, as far as ours use it; its book describes each
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function assertEq(uint256 left, uint256 right) external pure;
    function assertEq(uint256 left, uint256 right, string calldata why) external pure;
    function assertEq(address left, address right) external pure;
    function assertEq(bytes32 left, bytes32 right) external pure;
    function assertEq(bytes calldata left, bytes calldata right) external pure;
    function assertEq(string calldata left, string calldata right) external pure;
    function assertFalse(bool condition) external pure;
    function assertGe(uint256 left, uint256 right) external pure;
    function assertLe(uint256 left, uint256 right) external pure;
    function assertTrue(bool condition) external pure;
    function assertTrue(bool condition, string calldata why) external pure;
    function assume(bool condition) external pure;
    function computeCreateAddress(address deployer, uint256 nonce) external pure returns (address);
    function deal(address account, uint256 balance) external;
    function etch(address account, bytes calldata code) external;
    function expectRevert() external;
    function expectRevert(bytes calldata data) external;
    function expectRevert(bytes4 selector) external;
    function getRecordedLogs() external returns (Log[] memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function prank(address caller) external;
    function readFile(string calldata path) external view returns (string memory);
    function recordLogs() external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function warp(uint256 time) external;
}

Vm constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

/// @dev A number of the closed range, evenly chosen by `seed`.
function between(uint256 seed, uint256 least, uint256 most) pure returns (uint256) {
    uint256 many = most - least + 1;
    return many == 0 ? seed : least + (seed % many);
}

/// @dev An account nobody else has.
function account(string memory name) pure returns (address) {
    return address(uint160(uint256(keccak256(bytes(name)))));
}

/// @dev Deploys what abi/ holds, not what forge compiled: the tests run the very bytes that go on a chain.
function deploy(string memory name, bytes memory arguments) returns (address place) {
    string memory artifact = vm.readFile(string.concat("../abi/", name, ".json"));
    bytes memory code = bytes.concat(vm.parseJsonBytes(artifact, ".bytecode"), arguments);
    assembly ("memory-safe") {
        place := create(0, add(code, 0x20), mload(code))
    }
    vm.assertTrue(place != address(0), name);
}

/// @dev The n-th number drawn from a seed.
function draw(uint256 seed, uint256 n) pure returns (uint256) {
    return uint256(keccak256(abi.encode(seed, n)));
}
