// Stands in bundles for modules that a library requires and Bootyard never calls.
module.exports = {};
